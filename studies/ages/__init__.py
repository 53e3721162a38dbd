"""Age posteriors judged on simulated stars."""
