"""What the command prints and asks for: one option, or one printed thing, a file; each is loaded when it is needed."""
