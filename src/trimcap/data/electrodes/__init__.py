"""Where electrodes are: names, montages, regions, headsets."""
