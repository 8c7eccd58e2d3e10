"""One module per namespace, each with its literal table `METHODS`."""
