# filled in by packaging
