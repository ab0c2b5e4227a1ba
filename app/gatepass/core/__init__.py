"""What Gatepass knows, in no protocol's words: one concept, one file, its table and its verbs."""
