"""What scores on examples say: errors, intervals, paired tests, models of many prompts. Knows no study."""
