// Sort tables by a click on a heading: first one way, then the other, then back to the file's order.
for (const table of document.querySelectorAll("main table")) {
  const body = table.tBodies[0];
  const originalRows = [...body.rows];
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    const isNumeric = heading.classList.contains("n");
    const directions = isNumeric ? ["descending", "ascending"] : ["ascending", "descending"];
    button.addEventListener("click", () => {
      const direction = directions[directions.indexOf(heading.getAttribute("aria-sort")) + 1];
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      let rows = originalRows;
      if (direction) {
        heading.setAttribute("aria-sort", direction);
        rows = [...originalRows].sort(compareRows(column, isNumeric, direction === "ascending" ? 1 : -1));
      }
      body.append(...rows);
    });
  });
}

function compareRows(column, isNumeric, sign) {
  const value = (row) => row.cells[column].dataset.value;
  return (left, right) => {
    const a = value(left), b = value(right);
    if (a === "" || b === "") return (a === "") - (b === ""); // unknown values stay last
    return sign * (isNumeric ? a - b : a.localeCompare(b));
  };
}
