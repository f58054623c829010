// Whom was searched for is chosen in the dialog that the search came from.

document.querySelector("dialog[data-open]")?.showModal();
