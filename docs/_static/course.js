// The theme's arrows, which unfold a part of the menu, have no name for a reader who cannot see them.
document.addEventListener("DOMContentLoaded", () => {
  for (const arrow of document.querySelectorAll("nav summary")) arrow.setAttribute("aria-label", "Pages below this one");
});
