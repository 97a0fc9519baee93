"""The tree as it runs: places and order, times, states; pure."""
