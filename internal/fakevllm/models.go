package fakevllm

import (
	"net/http"
	"time"
)

// models lists the one model.
func (s *Server) models(w http.ResponseWriter, _ *http.Request) {
	now := time.Now().Unix()
	writeJSON(w, http.StatusOK, map[string]any{
		"object": "list",
		"data": []any{map[string]any{
			"id": s.opts.Model, "object": "model", "created": now, "owned_by": "vllm", "root": s.opts.Model,
			"parent": nil, "max_model_len": s.opts.MaxModelLen,
			"permission": []any{map[string]any{
				"id": "modelperm-" + s.fingerprint, "object": "model_permission", "created": now,
				"allow_create_engine": false, "allow_sampling": true, "allow_logprobs": true,
				"allow_search_indices": false, "allow_view": true, "allow_fine_tuning": false,
				"organization": "*", "group": nil, "is_blocking": false,
			}},
		}},
	})
}
