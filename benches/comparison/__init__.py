"""Ways to answer the question that an allocation answers, to be timed side by side."""
