// Reads a chosen file into a text field, so that importing needs no upload; puts the cursor where a form went wrong.
"use strict";
(() => {
  document.querySelectorAll("[data-file-for]").forEach((row) => {
    const area = document.getElementById(row.dataset.fileFor);
    const input = row.querySelector("input[type=file]");
    row.hidden = false;
    input.addEventListener("change", async () => {
      const [file] = input.files;
      if (file) area.value = await file.slice(0, 200_000).text();
    });
  });
})();
