"""Builds the embedded corpus of finescale from Debian's documentation packages.

The data flows one way, one module a step::

    packages  .deb files, checked against packages.json, unpacked
    pages     HTML and Mallard files -> pages of keyed text blocks
    language  is this text really in that language?
    pairs     aligned blocks -> clean translation pairs
    roles     page name -> one of pretrain, train, dev, test
    leakage   index of held-out text, and the question "was this seen?"
    tasks     the records of every member
    archive   corpus.tar.xz, its report and its entry in the list of sources

Run ``python -m builder`` in ``resources/``.
"""
