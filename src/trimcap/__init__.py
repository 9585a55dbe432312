"""Make EEG networks small enough for the headset, and prove they still work."""

__version__ = "0.1.0"
