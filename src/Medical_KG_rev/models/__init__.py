"""What flows through the system: frozen, validated, without I/O."""

from Medical_KG_rev.models.chunks import Chunk, EmbeddingBatch, GraphWriteReceipt, IndexReceipt, Outcome, Violation
from Medical_KG_rev.models.flow import (
    Adapter,
    AdapterRequest,
    Caller,
    ErrorInfo,
    ListedRecord,
    ListingPage,
    RawPayload,
    StageContext,
)
from Medical_KG_rev.models.knowledge import Certainty, Claim, Entity, EntityType, Evidence, Mention
from Medical_KG_rev.models.pdf import PdfAsset, PdfCandidates, StoredPdf, document_folder, pdf_folder, pdf_key
from Medical_KG_rev.models.sparse import SparseMatrix, SparseVector
from Medical_KG_rev.models.text import (
    Annotation,
    Block,
    BlockType,
    BoundingBox,
    Cell,
    Document,
    Section,
    SectionKind,
    Span,
    Table,
)

__all__ = [
    "Adapter",
    "AdapterRequest",
    "Annotation",
    "Block",
    "BlockType",
    "BoundingBox",
    "Caller",
    "Cell",
    "Certainty",
    "Chunk",
    "Claim",
    "Document",
    "EmbeddingBatch",
    "Entity",
    "EntityType",
    "ErrorInfo",
    "Evidence",
    "GraphWriteReceipt",
    "IndexReceipt",
    "ListedRecord",
    "ListingPage",
    "Mention",
    "Outcome",
    "PdfAsset",
    "PdfCandidates",
    "RawPayload",
    "Section",
    "SectionKind",
    "Span",
    "SparseMatrix",
    "SparseVector",
    "StageContext",
    "StoredPdf",
    "Table",
    "Violation",
    "document_folder",
    "pdf_folder",
    "pdf_key",
]
