"""Files: photos and videos that somebody uploads as evidence, kept outside the database (附件).

A file belongs to one tenant and to whoever uploaded it. It is *fresh* until something takes it (a slice above calls
`service.take`); then it is seen where that thing is seen, and never by another path. What nobody took is deleted.

Invariants: what is stored was recognised by its content, never by a name or header; a photo is encoded anew from its
pixels, so that nothing that a camera, an editor or an attacker put beside them is left; bytes never change.
"""
