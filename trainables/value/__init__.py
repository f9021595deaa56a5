"""What makes a value: copied, frozen and checked when it is built, and refused in words a person can act on."""
