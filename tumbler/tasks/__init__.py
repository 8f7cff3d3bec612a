"""Tasks: prompts, answers and graders, which training learns from and evaluation measures."""
