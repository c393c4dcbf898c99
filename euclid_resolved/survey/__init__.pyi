from ._many import fields_of as fields_of, predict_many as predict_many
from ._tile import predict_tile as predict_tile
