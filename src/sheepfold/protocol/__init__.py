"""The words that server and client share: messages, codes, codec, generations, limits. No I/O, no Django."""
