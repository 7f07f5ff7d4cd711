"""Builds the embedded corpus of finescale from Debian's documentation packages.

The data flows one way::

    packages      .deb files, checked against packages.json, unpacked
    pages         HTML and Mallard files -> pages of keyed text blocks
    roles, site   page name -> one of pretrain, train, dev, test; what is held out from whom
    language      is this text really in that language?
    pairs, summary            aligned blocks -> clean pair; page -> document and lead
    leakage                   was this text seen on a held-out page?
    translation, summaries, pretraining       the records of the members
    corpus        all members together
    archive       corpus.tar.xz, its report and its entry in the list of sources

Run ``python -m builder`` in ``resources/``.
"""
