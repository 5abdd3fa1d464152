"""The subcommands of `sheepfold` that are not the client's."""
