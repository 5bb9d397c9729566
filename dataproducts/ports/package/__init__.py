"""Files as an output port: every version as files of its own, the newest as a Data Package."""

from dataproducts.ports.package.declaration import Package as Package
