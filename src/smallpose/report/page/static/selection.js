// Show the numbers of all people, or without those in doubt: one choice for curves and tables.
const selectionInputs = [...document.querySelectorAll("input[data-selection]")];
for (const input of selectionInputs) {
  input.addEventListener("change", () => {
    const key = input.dataset.selection;
    for (const other of selectionInputs) other.checked = other.dataset.selection === key;
    for (const part of document.querySelectorAll("[data-shown-for]")) {
      part.hidden = part.dataset.shownFor !== key;
    }
    document.dispatchEvent(new CustomEvent("selection", { detail: key }));
  });
}
