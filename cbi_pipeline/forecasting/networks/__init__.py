"""Networks: encoders from frozen configurations, heads, and the distribution they adjust."""
