"""Chunks as the catalogue stores them: MessagePack, compressed with a dictionary of what chunks have in common.

A chunk is too short to repeat itself much. Field names, and the words and phrases that biomedical abstracts share, are
therefore given to the compressor beforehand: a body shrinks by an eighth, at the cost of a few microseconds.
"""

from __future__ import annotations

import zlib

import msgspec

from Medical_KG_rev.models import Chunk

_PHRASES = (
    b"generation of patients were respectively, components control of single indicating that the risk of were identified "
    b"These data suggest that association with embryonic stem the identification of cancer. evidence for our understanding "
    b"of requires regulating potentially and its prevalence of describe conditions considered effects on in the development "
    b"of is not the use of was associated with a inhibited regulated which are approach recently tumor concentrations of "
    b"contribute to the the activation of differentiation. is the followed membrane mouse positive three experimental "
    b"incidence of therapy treatment with central the pathogenesis of alternative function. in vitro and molecular "
    b"mechanisms In the Therefore, an increase in analyses overexpression distribution of we report early endothelial "
    b"populations greater mechanism by which confidence interval [CI], implications for among family for the treatment of "
    b"mediated by structural susceptibility the mechanisms growth factor associated with an increased consistent with "
    b"DESIGN, SETTING, AND PARTICIPANTS activity. and other chromatin evaluated could be endogenous inhibitors through the "
    b"determine whether importance of in the absence of increased risk of proliferation and current of human independently "
    b"influence is essential for review treatment. accumulation of as the in this leading to nuclear support production of "
    b"administration differences in tissue to investigate against long-term poorly understood. although only specifically "
    b"function of generated at least directly enhanced in human major in which involved in the research were associated with "
    b"We found that in the presence of properties the regulation of receptors a variety of resulting in conducted mortality "
    b"of patients with relative in vivo an important role controlled examined inflammation known measured mechanism of "
    b"possible role in the system this study was to These results indicate that assessed based on been shown to the "
    b"relationship between ability to suggest that the expression. progression mutations in expression and and their "
    b"available chronic of this study was implicated in sensitivity development. findings suggest that mammalian cells in "
    b"included target evidence that mechanisms of We show that derived from pathways which is immune model various the "
    b"association between This study biological induction of studies have processes either In this study, we combination "
    b"genes resistance treated with disease. resulted in remains underlying increases the effects of established containing "
    b"developing used to reduction in following structure developmental independent of the potential expression of the "
    b"effective activity of common activated metabolic maintenance of those correlated with development and significantly "
    b"increased the same highly revealed that Moreover, determine the additional determined of a replication expression in "
    b"patients. physiological Here, we show that related to (95% confidence interval characteristics investigate the the "
    b"effect of infection These results suggest that survival to identify is required for increasing transcription factors "
    b"were significantly and in stem cells performed compared to that are formation of into the normal particularly "
    b"understanding of the within the observed in during the associated with the the most did not to determine in a critical "
    b"functions however, individuals distinct provides whereas In contrast, may be without extracellular the molecular "
    b"showed that cardiovascular genetic reported binding but not in response to 95% confidence interval and that expressed "
    b"in intracellular responses phosphorylation further a significant approximately suggests that responsible for similar "
    b"regulatory MAIN OUTCOME MEASURES several higher was significantly we demonstrate that than between the characterized "
    b"by developed respectively. can be are associated with cells and inhibition of after induced cells, However, the "
    b"demonstrated that investigated primary interactions both changes in Our results complex the first decreased Although "
    b"These findings information the role of reduced number of inflammatory to be present In addition, analysis of such as "
    b"previously using by the multiple cellular suggesting that levels of signaling also METHODS in patients with "
    b"therapeutic proteins cells. gene expression BACKGROUND Furthermore, Here we show that transcriptional the expression of "
    b"is associated with from the clinical functional have been as well as of these has been RESULTS compared with "
    b"CONCLUSIONS including "
)
"""Runs of words that save most, the best last: frequent ones of every second abstract of SciFact."""
_FIELDS = (
    b"chunk_id doc_id tenant_id source title text start end section section_path section_kind block_ids page bbox n_tokens "
    b"coherence coherence_method boundary_depth chunker facets"
)
_DICTIONARY = _PHRASES + _FIELDS
"""Bodies that were packed with it can be unpacked with no other one: a change here is another schema of the catalogue."""

_PRIMED = zlib.compressobj(zdict=_DICTIONARY)
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Chunk)


def packed(chunk: Chunk) -> bytes:
    """The body of a chunk."""
    packer = _PRIMED.copy()  # cheaper than reading the dictionary again
    return packer.compress(_ENCODER.encode(chunk)) + packer.flush()


def unpacked(body: bytes) -> Chunk:
    """The chunk of a body."""
    return _DECODER.decode(zlib.decompressobj(zdict=_DICTIONARY).decompress(body))
