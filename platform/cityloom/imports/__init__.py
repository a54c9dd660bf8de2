"""Imports: tables of rows from CSV and XLSX files, taken over as a whole or not at all (批量导入).

A file is read once, when it is uploaded, by a process that may use little memory; what it holds is kept sealed with
the city's key, chunk by chunk. A worker checks the rows, stages them, says what would come of each, and publishes them
in one transaction with the rights that the importer has at that moment.

Invariants: nothing of an import is visible before all of it is; no chunk, staged row or finding holds a protected
value in clear; a worker that dies is replaced by another, which goes on after the last staged chunk.

What can be imported into is stated by modules (`Module.import_targets`); this slice knows no target by name.
"""
