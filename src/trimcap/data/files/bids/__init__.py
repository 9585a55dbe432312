"""EEG in the Brain Imaging Data Structure."""
