"""Operations on files or the network, which no served model needs.

A SavedModel is a program that runs with the server's rights. These operations of
TensorFlow 2 read or write files, talk to other processes, or log to either.
"""

from __future__ import annotations

import re

from tensorflow.core.framework import node_def_pb2

_FILES = re.compile(
    r"(Read|Write)File|(Experimental)?MatchingFiles(Dataset)?"
    r"|(Save|Restore)(V2|Slices?)?|MergeV2Checkpoints|LoadAndRemapMatrix"
    r"|.*Reader(V2)?|Reader.*|RecordInput|InitializeTableFromTextFile(V2)?"
    r"|.*(FixedLengthRecord|TFRecord|TextLine|LMDB|Sql|CSV)Dataset(V2)?"
    r"|(Experimental)?DatasetToTFRecord|GenerateVocabRemapping|Skipgram|DumpTensor"
    r"|CalibrationStatisticsSaver"
    r"|(Load|Save|Cache|Snapshot|SnapshotChunk|ListSnapshotChunks)Dataset(V2)?"
    r"|.*SummaryWriter|CreateSummary(File|Db)Writer|Write\w*Summary|FileSystem\w+"
)
_NETWORK = re.compile(
    r"_?(Host)?(Send|Recv)|Collective.*|Rpc.*|TryRpc|Remote\w+|DataServiceDataset.*"
    r"|RegisterDataset(V2)?|DistributedSave|\w*DistributedTPU|BigQuery\w+|Bigtable\w+"
    r"|_?XlaSend\w+|_?XlaRecv\w+|_?XlaHostCompute\w*|XlaRecvFromHost|XlaSendToHost"
)
# Operations that use files depending on an attribute: its name, and values without
# files.
_BY_ATTRIBUTE = {
    "PrintV2": ("output_stream", r"(?!file:).*"),
    "FixedUnigramCandidateSampler": ("vocab_file", ""),
    "EncodeProto": ("descriptor_source", r"((local|bytes)://.*)?"),
    "DecodeProtoV2": ("descriptor_source", r"((local|bytes)://.*)?"),
}
_DEBUG = re.compile(r"Debug(Identity|NanCount|NumericSummary)(V[23])?")
# Loading a SavedModel restores weights and reads tables from assets by design.
_OF_LOADING = re.compile(
    r"Restore(V2|Slice)?|Save(V2|Slices)?|MergeV2Checkpoints"
    r"|InitializeTableFromTextFile(V2)?"
)


def touches(node: node_def_pb2.NodeDef, loading: bool = False) -> str | None:
    """Returns what a node uses: "files", "the network", or None.

    Args:
      node: A node of a graph or function.
      loading: Whether it runs when the SavedModel is loaded, which restores weights and
        reads tables from files.
    """
    if loading and _OF_LOADING.fullmatch(node.op):
        return None
    if _FILES.fullmatch(node.op) or _names_a_file(node):
        return "files"
    if _NETWORK.fullmatch(node.op):
        return "the network"
    if _DEBUG.fullmatch(node.op):
        urls = node.attr["debug_urls"].list.s
        if urls:
            files = all(url.startswith(b"file:") for url in urls)
            return "files" if files else "the network"
    return None


def _names_a_file(node: node_def_pb2.NodeDef) -> bool:
    if node.op not in _BY_ATTRIBUTE:
        return False
    name, harmless = _BY_ATTRIBUTE[node.op]
    value = node.attr[name].s.decode(errors="replace")
    return not re.fullmatch(harmless, value, re.DOTALL)
