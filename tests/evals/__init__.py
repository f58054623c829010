"""How well Lyceum finds and answers, on labelled questions, with the real vector server and embedder."""
