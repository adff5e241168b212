"""Writing a cluster's configuration as a Pacemaker CIB."""

from backstay.cib.exporting.writer import export_cib

__all__ = ["export_cib"]
