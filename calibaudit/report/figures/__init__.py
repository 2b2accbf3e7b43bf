"""Figures of a result, as SVG and PNG."""
