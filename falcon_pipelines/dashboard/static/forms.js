// Leads to what is wrong with a form; reads a chosen file into a text field, so that importing needs no upload.
"use strict";
(() => {
  document.querySelector("[data-focus]")?.focus();
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
