"""Which experiments: one file a study, declarations only."""
