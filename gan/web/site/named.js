// Models as the choices of the static edition have them.
const { titles } = JSON.parse(document.getElementById("site").textContent);

export const named = (models) => models.map((name) => ({ name, label: titles[name] }));
