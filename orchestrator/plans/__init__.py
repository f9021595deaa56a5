"""From declarations to trainings: who each is, which are needed, what stands where."""
