"""Files of headsets' own programs: OpenBCI GUI, Mind Monitor and muselsl, EMOTIV, LabStreamingLayer (XDF).

Each reader turns a file into a `Take`: µV on an even grid of samples, with lost ones filled and marked.
"""
