"""Closed forms for set complement: what a model must do at every length, without running it.

Setting: V tokens, a context of s distinct tokens, 1 <= s <= V−1, the last one ℓ. Attention weights
are w_i = a[ℓ,i] / Σ_k a[ℓ,k], the logits B[ℓ] + Σ_i w_i D[i] with the direct path B and the OV
circuit D. The *displacement* δ_i of a seen token i is the common logit of the absent tokens minus
the logit of i. A model is in *standard form* with strengths x of the OV circuit and β of the direct
path when

    D = −diag(x) + c1ᵀ + 1rᵀ,   B = −diag(β) + c'1ᵀ − 1rᵀ;   then   δ_i = w_i x_i + [i = ℓ] β_ℓ.

Every function names the statement of docs/theory.md that it comes from. All work on arrays of
lengths and raise TheoryError outside their hypotheses. P is I − 11ᵀ/V throughout, q the target and
p the model. The illegal token rate, the mass of p on illegal tokens, is the paper's ITR.
"""
