/* The built-in models of text: which character comes next? */
#include "nn/models.h"

/* Embedding of 8, two layers of 256, one dense layer: the model of Shakespeare's plays in McMahan et al. 2017, with the two biases of
 * PyTorch's modules. Read at the last character, as there, or at every one. */
static void character_model(mu_builder *builder, const mu_layer *layer, const char *first, const char *second, bool every)
{
    mu_builder_add_next(builder, &mu_layer_embedding, "embeddings", &(mu_embedding_config){ .channels = 8 });
    mu_builder_add_next(builder, layer, first, &(mu_recurrent_config){ .units = 256 });
    mu_builder_add_next(builder, layer, second, &(mu_recurrent_config){ .units = 256, .last = !every });
    mu_builder_add_next(builder, &mu_layer_dense, "fc", &(mu_dense_config){ .bias = true, .each = every });
}

void mu_build_char_lstm(mu_builder *builder, const mu_layer *norm)
{
    (void)norm;
    character_model(builder, &mu_layer_lstm, "lstm", "lstm_l1", false);
}

void mu_build_char_lstm_every(mu_builder *builder, const mu_layer *norm)
{
    (void)norm;
    character_model(builder, &mu_layer_lstm, "lstm", "lstm_l1", true);
}

void mu_build_char_gru(mu_builder *builder, const mu_layer *norm)
{
    (void)norm;
    character_model(builder, &mu_layer_gru, "gru", "gru_l1", false);
}

void mu_build_char_gru_every(mu_builder *builder, const mu_layer *norm)
{
    (void)norm;
    character_model(builder, &mu_layer_gru, "gru", "gru_l1", true);
}
