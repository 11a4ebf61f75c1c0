"""The loop: what is drawn, changed, asked, learnt, kept and told, from the first step to the last."""
