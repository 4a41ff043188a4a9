"""Makes one self-contained page of results, for a browser.

::

    page         puts the page together: overview, versions with their changes, data for the script
      functions    collects what the page says about a function
      cells        converts the columns of a table to JSON, within a number of bytes
    page.js      shows tables and charts in the browser
    page.css     lays the page out, in light and dark
    echarts.min.js     draws the charts: Apache ECharts, see docs/decisions

The page loads nothing. Its security policy forbids all scripts but the two that it contains.
"""
