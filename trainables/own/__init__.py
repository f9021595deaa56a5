"""Methods of somebody's own: a function or a script, its config, its data and its code."""
