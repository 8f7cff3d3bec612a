"""tumbler: raw web pages in, a chat model that you own out."""

__version__ = "0.1.0"
