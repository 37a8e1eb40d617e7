"""The commands behind ``cbi``, one file each; they print, everything else is imported."""
