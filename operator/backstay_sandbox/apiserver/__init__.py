"""The sandbox's Kubernetes API: the object store behind HTTP."""

from backstay_sandbox.apiserver.server import Face, serve, serving

__all__ = ["Face", "serve", "serving"]
