Redoc.init("/openapi.json", { hideLogo: true, disableSearch: true }, document.getElementById("docs"));
