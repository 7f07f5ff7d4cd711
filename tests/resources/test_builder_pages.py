"""Reads tiny pages in the real formats."""

from builder.pages import Block, clean, parse_handbook, parse_libreoffice, parse_mallard, read_pages

HELP = """<!DOCTYPE html><html><body><p id="par_idmenu">Not help</p>
<div id="DisplayArea" itemprop="softwareHelp">
<meta itemprop="keywords" content="values">
<h1 id="hd_id1" dir="auto"><a name="x"></a>Entering
  Values</h1>
<p id="par_id2" class="paragraph" dir="auto">Press <span class="keycode">Tab</span> &amp;
 go&nbsp;on.</p>
<div class="howtoget"><p id="par_id3" class="paragraph">Choose Edit.</p></div>
<div class="embedded"><div><p id="par_id4" class="paragraph">Of another page.</p></div></div>
<p id="par_id5" class="code">ABS(Number)</p>
<div class="bascode"><pre>Sub Main</pre></div>
<p id="par_id6" class="paragraph"><img src="a.png" alt="Icon"></p>
<ul><li><p id="par_id7" class="listitem">A list<br>item.</p></li></ul>
<p id="par_id2" class="paragraph">The same id again.</p>
<p id="par_id8" class="paragraph">With <span id="s" class="switchinline"><span
 class="MAC"><b>Command</b></span><span><b>Ctrl</b></span></span>+F find <span
 class="switchinline"><span class="IMPRESS">slides</span><span class="DRAW">pages</span></span>.
 <span>Both</span> <span>stay</span>.</p>
</div><div id="SearchFrame"></div><p id="par_id9">Not help</p></body></html>"""

HANDBOOK = """<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title>6.2</title></head>
<body><div id="banner"><a>Download</a></div><p id="title"><a>Site</a></p>
<ul class="docnav top"><li>Next</li></ul>
<div class="section"><h2 class="title"><a id="s"></a>6.2.1. The <code>apt</code> tool</h2>
<a class="indexterm"></a><div class="para">
  A list:
  <ul><li><div class="para">first;</div></li></ul>
  and the end.
</div><pre class="screen"># apt update</pre><div class="toc"><dl><dt>1. Contents</dt></dl></div>
</div></body></html>"""

MALLARD = """<?xml version="1.0" encoding="utf-8"?>
<page xmlns="http://projectmallard.org/1.0/" id="a"><info><desc>Not text.</desc>
<credit><name>Somebody</name></credit></info>
<title>Connect a device</title>
<p>Open the <gui>Activities</gui>
 overview.</p>
<comment><p>Not text.</p></comment>
<steps><item><p>Click <gui>On</gui>.</p><screen>$ ls</screen></item></steps></page>"""


def test_libreoffice_blocks_have_key_kind_and_text():
    assert parse_libreoffice(HELP) == (
        Block("hd_id1", "heading", "Entering Values"),
        Block("par_id2", "paragraph", "Press Tab & go on."),
        Block("par_id7", "part", "A list item."),
        Block("par_id8", "paragraph", "With Ctrl+F find slides. Both stay."),
    )


def test_handbook_blocks_end_at_block_level_tags():
    assert parse_handbook(HANDBOOK) == (
        Block("0", "heading", "The apt tool"),
        Block("1", "paragraph", "A list:"),
        Block("2", "paragraph", "first;"),
        Block("3", "paragraph", "and the end."),
    )


def test_mallard_blocks_are_titles_and_paragraphs():
    assert parse_mallard(MALLARD) == (
        Block("0", "heading", "Connect a device"),
        Block("1", "paragraph", "Open the Activities overview."),
        Block("2", "paragraph", "Click On."),
    )


def test_clean_composes_and_drops_invisible_characters():
    assert clean(" fu\u0308r\u00a0 alle\u00ad\u200b\n ") == "für alle"


def test_pages_are_named_by_path(tmp_path):
    (tmp_path / "scalc").mkdir()
    (tmp_path / "scalc" / "enter.html").write_text(HELP)
    (tmp_path / "scalc" / "readme.txt").write_text("no page")
    pages = read_pages(tmp_path, "**/*.html", parse_libreoffice, "libreoffice")
    assert list(pages) == ["libreoffice/scalc/enter"]
    assert pages["libreoffice/scalc/enter"].blocks == parse_libreoffice(HELP)
