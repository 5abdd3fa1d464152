"""Parsing of XML from strangers: no entities, no DTD, no network, bounded size and depth."""

import re

from lxml import etree

from sheepfold.protocol import limits


class BadMessage(ValueError):
    """The other side sent something that is not the expected message. The text says what is wrong."""


# A document type can stand only in the prolog, after the declaration, comments and processing instructions.
_DOCTYPE = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:\s+|<\?.*?\?>|<!--.*?-->)*+<!DOCTYPE",
    re.DOTALL | re.IGNORECASE,
)
_TOO_DEEP = etree.XPath("boolean(" + "/*" * (limits.MAX_XML_DEPTH + 1) + ")")

# The encoding is fixed, so that no declared one (UTF-7, UTF-16) hides a document type from the pattern above.
_PARSER = etree.XMLParser(
    encoding="utf-8",
    resolve_entities=False,
    load_dtd=False,
    no_network=True,
    huge_tree=False,
    remove_comments=True,
    remove_pis=True,
)


def parse(data: bytes, root: str) -> etree._Element:
    """The root element of `data`, which must be called `root`. Raises BadMessage."""
    if len(data) > limits.MAX_XML_BYTES:
        raise BadMessage(f"the XML has {len(data)} bytes, more than the {limits.MAX_XML_BYTES} allowed")
    if _DOCTYPE.match(data):
        raise BadMessage("the XML has a document type, which is not allowed")
    try:
        element = etree.fromstring(data, _PARSER)
    except etree.XMLSyntaxError as error:
        raise BadMessage(f"not well-formed XML: {error.msg}") from error
    if element.tag != root:
        raise BadMessage(f"expected the element '{root}', got '{element.tag}'")
    if _TOO_DEEP(element):
        raise BadMessage(f"the XML is nested deeper than {limits.MAX_XML_DEPTH} elements")
    return element
