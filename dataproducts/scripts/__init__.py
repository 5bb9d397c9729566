"""Scripts and notebooks that exist already, run as they are: what they hand over goes the way of any dataset's rows."""
