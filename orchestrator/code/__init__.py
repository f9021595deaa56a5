"""By which code, on which machine and by whom a training is made."""
