"""Lay out tables for Markdown, CSV, LaTeX, HTML and the terminal."""
