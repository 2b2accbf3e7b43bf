"""What advice says, in words that follow from a number of the run or of the study."""
